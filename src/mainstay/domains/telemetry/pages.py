"""Pages of the estate."""

from django.urls import URLPattern

urlpatterns: list[URLPattern] = []
