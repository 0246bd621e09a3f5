"""Draw one document: JSON on standard input, PDF on standard output. Started by `pdf.render_pdf`."""

import json
import sys

from mainstay.ui.documents.pdf import pdf_bytes

if __name__ == "__main__":
    sys.stdout.buffer.write(pdf_bytes(json.load(sys.stdin)))
