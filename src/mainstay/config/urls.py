"""Every address of the product, in one place. The agent endpoint is served beside Django (config.asgi)."""

from django.urls import include, path

from mainstay.console import api as console_api
from mainstay.console import pages as console_pages
from mainstay.core.access import pages as access_pages
from mainstay.domains.alerting import pages as alerting_pages
from mainstay.domains.assurance import pages as assurance_pages
from mainstay.domains.automation import pages as automation_pages
from mainstay.domains.desk import pages as desk_pages
from mainstay.domains.estate import pages as estate_pages
from mainstay.domains.telemetry import pages as telemetry_pages

urlpatterns = [
    path("api/v1/", console_api.api.urls),
    path("", include((access_pages.urlpatterns, "access"))),
    path("account/", include("allauth.urls")),
    path("", include((estate_pages.urlpatterns, "estate"))),
    path("", include((telemetry_pages.urlpatterns, "telemetry"))),
    path("", include((alerting_pages.urlpatterns, "alerting"))),
    path("", include((desk_pages.urlpatterns, "desk"))),
    path("", include((automation_pages.urlpatterns, "automation"))),
    path("", include((assurance_pages.urlpatterns, "assurance"))),
    path("", include((console_pages.urlpatterns, "console"))),
]
