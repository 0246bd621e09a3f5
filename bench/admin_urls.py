"""The product's addresses and, beside them, Django's changelist of devices."""

from django.contrib import admin
from django.http import HttpRequest
from django.urls import path

from mainstay.config.urls import urlpatterns as product
from mainstay.domains.estate.models import Device


class Site(admin.AdminSite):
    """A site that lets everybody in: the peer is measured, not used."""

    def has_permission(self, request: HttpRequest) -> bool:
        return True


class DeviceAdmin(admin.ModelAdmin):  # type: ignore[type-arg]  # generic in the stubs only
    """The columns, order, search and page size of our list."""

    list_display = ("name", "state", "last_seen_at", "os_name", "agent_version")
    ordering = ("name",)
    search_fields = ("name", "os_name", "serial")
    list_per_page = 50

    def has_view_permission(self, request: HttpRequest, obj: object = None) -> bool:
        return True

    def has_module_permission(self, request: HttpRequest) -> bool:
        return True


site = Site(name="admin")
site.register(Device, DeviceAdmin)
urlpatterns = [path("admin/", site.urls), *product]
