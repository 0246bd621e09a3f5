"""What there is: devices, their keys, their facts, their software, the units that they run.

Owns: enrolment and identity of devices, inventory facts with source and age, states of watched units.
Does not own: measurements (telemetry), what is wrong (alerting), what may be done (automation).
Invariant: a value that is not known is shown as unknown with its reason, never as false or zero.
"""
