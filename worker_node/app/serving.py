"""The Worker as a Modbus TCP meter: hands every sample to `drivers.linux.modbus_serve` and keeps its server up."""

import asyncio
import logging
from collections.abc import Callable

from drivers.linux.modbus_serve import MeterRegisters, ServedIdentity, SunSpecServer
from drivers.sample import MeterSample
from worker_node.metering.accumulator import Totals
from worker_node.settings_sunspec import ServeSection, peer_networks
from worker_node.state import Home

_LOG = logging.getLogger(__name__)
_AGAIN_S = 30.0


class Serving:
    """The server of one home; `trouble` hears why it cannot serve, "" once it does."""

    def __init__(self, section: ServeSection, home: Home, trouble: Callable[[str], None]) -> None:
        identity = ServedIdentity("Hive", home.meter, home.software, home.serial, section.unit)
        self._registers = MeterRegisters(identity)
        self._section, self._trouble = section, trouble
        self.port = 0

    def sample(self, sample: MeterSample, totals: Totals) -> None:
        """Serves this sample and the home's own counters from now on."""
        self._registers.update(sample, totals.import_milliwh, totals.export_milliwh)

    async def run(self) -> None:
        """Serves until cancelled; a port that is taken is tried again and does not stop the metering."""
        own = self._section
        peers = peer_networks(own.peers)
        while True:
            server = SunSpecServer(self._registers, host=own.host, port=own.port, unit=own.unit, peers=peers)
            try:
                await server.start()
            except OSError as error:
                self._trouble(f"{own.host}:{own.port}: {error.strerror or error}")
                await asyncio.sleep(_AGAIN_S)
                continue
            self.port = server.port
            self._trouble("")
            _LOG.info("meter_served host=%s port=%d", own.host, server.port)
            try:
                await asyncio.Event().wait()
            finally:
                await server.stop()
