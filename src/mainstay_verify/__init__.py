"""The auditor's offline verifier; `mainstay_verify.py` is complete in itself and may be copied anywhere."""
