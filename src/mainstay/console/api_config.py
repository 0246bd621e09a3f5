"""The API of configuration as code: all of it as files, and a set of files to be applied."""

from django.http import HttpRequest
from ninja import Router, Schema

from mainstay.console.managed import apply_files, export_files
from mainstay.console.managed.applying import Wish
from mainstay.kernel.json import Json
from mainstay.ui.lists.viewer import actor_of, clock_of

router = Router(tags=["console"])


class ConfigIn(Schema):
    """Files by name. `dry_run`: say what would change and change nothing."""

    files: dict[str, str]
    file_set: str = "main"
    prune: bool = False
    overwrite_drift: bool = False
    dry_run: bool = False


@router.get(
    "/config",
    operation_id="console_config_read",
    summary="The configuration as files",
    openapi_extra={"x-permission": "console.config.read"},
)
def read_config(request: HttpRequest) -> dict[str, dict[str, str]]:
    """Return one text for each kind: sorted, without ids, times or secrets."""
    return {"files": export_files(actor=actor_of(request), clock=clock_of(request))}


@router.post(
    "/config",
    operation_id="console_config_apply",
    summary="Apply a set of files",
    openapi_extra={"x-permission": "console.config.apply"},
)
def apply_config(request: HttpRequest, body: ConfigIn) -> dict[str, Json]:
    """Apply all of it or nothing, and return what changed."""
    wish = Wish(file_set=body.file_set, prune=body.prune, overwrite_drift=body.overwrite_drift, dry_run=body.dry_run)
    lines = apply_files(actor=actor_of(request), files=body.files, wish=wish, clock=clock_of(request))
    return {"applied": not body.dry_run, "lines": [line.as_json() for line in lines]}
