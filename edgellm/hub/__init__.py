"""Which model, and does it fit here?"""
