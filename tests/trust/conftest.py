from hypothesis import settings

# A deadline per example would be a timed assertion: it fails on a busy machine and says nothing about the code.
settings.register_profile("mainstay", deadline=None)
settings.load_profile("mainstay")
