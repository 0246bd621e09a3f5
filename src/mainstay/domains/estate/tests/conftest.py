"""A device that joins as real ones do: with keys, a code, and proofs."""

from dataclasses import dataclass, field
from uuid import UUID

import pytest
from nacl.signing import SigningKey
from tests.support.cast import Cast, make_cast

from mainstay.core.tenancy.binding import bind
from mainstay.domains.estate import services
from mainstay.domains.estate.models import Device
from mainstay.kernel import actors
from mainstay.kernel.actors import Actor
from mainstay.kernel.clock import FixedClock
from mainstay_trust import enrol

URL = "http://127.0.0.1:8080"
NONCE = "aa" * 16


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


@pytest.fixture
def cast(db: None, clock: FixedClock) -> Cast:
    return make_cast(clock)


@dataclass
class Estate:
    """The estate of Harbor Law, inside a transaction bound to it."""

    cast: Cast
    clock: FixedClock
    tenant: UUID = field(init=False)

    def __post_init__(self) -> None:
        self.tenant = self.cast.harbor.id

    @property
    def tara(self) -> Actor:
        return self.cast.tara.in_(self.cast.harbor)

    @property
    def intake(self) -> Actor:
        return actors.system("intake", self.tenant)

    def code(self, **what: object) -> enrol.Code:
        return enrol.parse_code(services.create_enrol_token(actor=self.tara, clock=self.clock, **what).code)

    def request(
        self, code: enrol.Code, *, keys: dict[str, SigningKey] | None = None, mac: str | None = None, name: str = "harbor-dc1"
    ) -> services.Join:
        """Make the join request of a new machine, as its agent would."""
        keys = keys or {purpose: SigningKey.generate() for purpose in enrol.PURPOSES}
        hello = services.hello(
            tenant=self.tenant, code_id=code.code_id, agent_nonce=NONCE, url=URL, spki=enrol.NO_TLS, root=enrol.NO_ROOT, clock=self.clock
        )
        transcript = enrol.Transcript(code.code_id, NONCE, hello.nonce, enrol.NO_TLS, enrol.NO_ROOT, URL)
        assert enrol.macs_match(enrol.server_mac(code.key, transcript), hello.mac)
        return services.Join(
            code_id=code.code_id,
            agent_nonce=NONCE,
            server_nonce=hello.nonce,
            url=URL,
            mac=mac or enrol.agent_mac(code.key, transcript),
            keys={purpose: bytes(key.verify_key) for purpose, key in keys.items()},
            proofs={purpose: key.sign(enrol.possession_message(purpose, transcript)).signature for purpose, key in keys.items()},
            machine=services.Machine("m" * 64, name, "S-1", "board-1", ("aa:bb:cc:dd:ee:ff",), "boot-1"),
            has_helper=False,
            version="0.1.0",
        )

    def join(self, request: services.Join) -> services.Enrolled:
        return services.join(actor=self.intake, request=request, spki=enrol.NO_TLS, root=enrol.NO_ROOT, clock=self.clock)

    def device(self, **what: object) -> Device:
        return self.join(self.request(self.code(**what))).device

    def agent(self, device: Device) -> Actor:
        return actors.device(device.id, device.tenant, label=device.name)


@pytest.fixture
def estate(cast: Cast, clock: FixedClock) -> Estate:
    bind(cast.harbor.id)
    return Estate(cast, clock)
