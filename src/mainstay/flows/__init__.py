"""Hand-overs: how an event of one domain becomes the next domain's work. One file each, readable on one screen."""
