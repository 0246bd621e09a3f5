"""One declaration, four doors: the page, the export, the API and the command line of a list.

Owns: the grammar of filters, keyset paging, selection and bulk acts, export. Does not own: the rows and what they mean.
Invariant: an unknown key or a bad value yields no rows; nothing is ever ignored so that all rows appear.
"""

from mainstay.ui.lists.api import add_list
from mainstay.ui.lists.reading import fetch
from mainstay.ui.lists.spec import BulkAct, BulkField, Column, Done, Empty, Kind, ListSpec, View
from mainstay.ui.lists.urls import list_urls
from mainstay.ui.lists.views import list_page

__all__ = [
    "BulkAct",
    "BulkField",
    "Column",
    "Done",
    "Empty",
    "Kind",
    "ListSpec",
    "View",
    "add_list",
    "fetch",
    "list_page",
    "list_urls",
]
