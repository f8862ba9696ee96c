"""The shared 57-home feeder in power-grid-model: voltages at chosen homes for series of their powers."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import power_grid_model as pgm

from honey_edge.market.homes.assets import FloatArray


def _rows(folder: Path, name: str) -> list[dict[str, str]]:
    with (folder / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class Feeder:
    """Bus voltages by an exact power flow; loads are kW and kvar per home, in the order of `load.csv`."""

    def __init__(self, folder: Path) -> None:
        self.buses = [int(row["bus"]) for row in _rows(folder, "bus")]
        self.load_buses = [int(row["bus"]) for row in _rows(folder, "load")]
        self.nominal_kw = np.array([float(row["p_mw"]) * 1e3 for row in _rows(folder, "load")])
        self.nominal_pu = {int(row["bus"]): float(row["vm_pu"]) for row in _rows(folder, "powerflow_nominal")}
        self._loads = 10_000 + np.arange(len(self.load_buses))
        self._model = pgm.PowerGridModel(self._input(folder), system_frequency=50.0)

    def _input(self, folder: Path) -> dict[str, Any]:
        node = pgm.initialize_array("input", "node", len(self.buses))
        node["id"] = self.buses
        node["u_rated"] = [float(row["vn_kv"]) * 1e3 for row in _rows(folder, "bus")]
        rows = _rows(folder, "line")
        line = pgm.initialize_array("input", "line", len(rows))
        line["id"] = 1_000 + np.arange(len(rows))
        length = np.array([float(row["length_km"]) for row in rows])
        line["from_node"], line["to_node"] = (
            [int(row["from_bus"]) for row in rows],
            [int(row["to_bus"]) for row in rows],
        )
        line["from_status"] = line["to_status"] = 1
        line["r1"] = length * [float(row["r_ohm_per_km"]) for row in rows]
        line["x1"] = length * [float(row["x_ohm_per_km"]) for row in rows]
        line["c1"] = length * [float(row["c_nf_per_km"]) * 1e-9 for row in rows]
        line["tan1"] = 0.0
        trafo = pgm.initialize_array("input", "transformer", 1)
        row = _rows(folder, "trafo")[0]
        rated = float(row["sn_mva"]) * 1e6
        values = {
            "id": 2_000, "from_node": int(row["hv_bus"]), "to_node": int(row["lv_bus"]),
            "from_status": 1, "to_status": 1,
            "u1": float(row["vn_hv_kv"]) * 1e3, "u2": float(row["vn_lv_kv"]) * 1e3, "sn": rated,
            "uk": float(row["vk_percent"]) / 100, "pk": float(row["vkr_percent"]) / 100 * rated,
            "i0": float(row["i0_percent"]) / 100, "p0": float(row["pfe_kw"]) * 1e3, "winding_from": 2, "winding_to": 1,
            "clock": 5, "tap_side": 0, "tap_pos": 0, "tap_min": -2, "tap_max": 2, "tap_nom": 0, "tap_size": 250.0,
        }  # fmt: skip
        for name, value in values.items():
            trafo[name] = value
        source = pgm.initialize_array("input", "source", 1)
        source["id"], source["node"], source["status"], source["u_ref"], source["sk"] = 3_000, 0, 1, 1.0, 1e12
        load = pgm.initialize_array("input", "sym_load", len(self.load_buses))
        load["id"], load["node"], load["status"], load["type"] = self._loads, self.load_buses, 1, 0
        load["p_specified"] = load["q_specified"] = 0.0
        return {"node": node, "line": line, "transformer": trafo, "source": source, "sym_load": load}

    def voltages(self, power_kw: FloatArray, reactive_kvar: FloatArray, source_pu: FloatArray) -> FloatArray:
        """Voltages of all buses (buses x columns, per unit) for powers of all homes (homes x columns)."""
        columns = power_kw.shape[1]
        loads = pgm.initialize_array("update", "sym_load", (columns, len(self.load_buses)))
        loads["id"] = self._loads
        loads["p_specified"], loads["q_specified"] = power_kw.T * 1e3, reactive_kvar.T * 1e3
        sources = pgm.initialize_array("update", "source", (columns, 1))
        sources["id"], sources["u_ref"] = 3_000, source_pu[:, None]
        answer = self._model.calculate_power_flow(update_data={"sym_load": loads, "source": sources})
        return np.asarray(answer["node"]["u_pu"].T)
