"""The only place where concrete parts are plugged together: settings, addresses, wiring."""
