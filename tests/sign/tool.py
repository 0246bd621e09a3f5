"""Runs the signing tool as a person does, in a folder of its own."""

import json

from mainstay_sign import keyfile
from mainstay_sign.cli import run

TENANT = "01JD0000000000000000000TEN"
NOW = 1767225600
PASSPHRASE = "correct horse battery"
SERVER_KEY = {"pub": "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c", "holder": "server", "expires": None}
SERVICE = {
    **dict.fromkeys(("start", "stop", "status", "reload", "probe", "devices", "user", "cwd")),
    "name": "web",
    "manager": "systemd",
    "unit": "nginx.service",
    "allow": ["restart"],
}
DRAFT = {"keys": {"server": [SERVER_KEY], "reply": [], "ledger": []}, "services": [SERVICE]}


class Tool:
    """`tool("init", "--quick", ...)` returns the exit code and the JSON outcome; `shown` is what the person saw."""

    def __init__(self, folder, capsys, monkeypatch):
        # Argon2id at its cheapest: these tests are about the tool, not about the price of a guess.
        monkeypatch.setitem(keyfile.COSTS, "moderate", (1, 8192))
        self.folder, self.capsys, self.shown, self.now = folder, capsys, "", NOW
        (folder / "passphrase").write_text(PASSPHRASE + "\n", "utf-8")
        self.environ = {"MAINSTAY_SIGN_PASSPHRASE_FILE": str(folder / "passphrase")}

    def path(self, name):
        return str(self.folder / name)

    def __call__(self, *arguments, keys="keys.json"):
        code = run([*arguments, "--keys", self.path(keys), "--json"], now=lambda: self.now, environ=self.environ)
        output = self.capsys.readouterr()
        self.shown = output.err
        return code, json.loads(output.out)

    def put(self, name, value):
        (self.folder / name).write_text(json.dumps(value), "utf-8")
        return self.path(name)

    def init(self, draft=None):
        draft_path = self.put("draft.json", DRAFT if draft is None else draft)
        return self("init", "--quick", "--tenant", TENANT, "--draft", draft_path, "--out", str(self.folder), "--devices", "42", "--yes")

    def confirmation(self, name):
        return self("inspect", self.path(name))[1]["confirm"]
