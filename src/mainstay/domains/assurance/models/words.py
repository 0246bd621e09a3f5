"""Words that several tables of assurance share."""

SEVERITIES = [(1, "Critical"), (2, "High"), (3, "Medium"), (4, "Low"), (5, "Info")]
KINDS = [("device", "Device"), ("site", "Site"), ("client", "Client")]
EXPOSURES = [("internet", "Internet"), ("internal", "Internal"), ("isolated", "Isolated")]
DATA_CLASSES = [("regulated", "Regulated"), ("confidential", "Confidential"), ("other", "Other")]
CHANGES = [("new", "New"), ("known", "Known"), ("returned", "Returned"), ("changed", "Changed")]
