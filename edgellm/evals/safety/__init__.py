"""Makers of safety cases: injections in every place where text comes in, and rows learnt by heart."""
