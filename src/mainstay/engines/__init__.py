"""The two engines, and the supervision of the processes of one installation. Knows no Django model."""
