"""Set-up and upkeep of this repository; standard library only."""
