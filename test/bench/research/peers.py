"""Runs one published backtesting engine over bars and wishes that another process wrote.

Usage: peers.py DIRECTORY, which holds job.json and the columns as little-endian files. A wish at the end of a bar is
filled at the open of the next one; a share costs a fixed commission. Writes fills and equity beside them, and on
standard output one line of JSON: {"version", "seconds", "fills"}. `seconds` is processor time of the engine alone: no
reading, no warming up.
"""

import json
import sys
import time
import warnings
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd

warnings.filterwarnings("ignore")


def shares_for(notional: float, price: float) -> int:
    return int(np.floor(notional / price + 1e-9))


def run_backtrader(bars, actions, job):
    import backtrader

    fills, equity = [], []

    class PerShare(backtrader.CommInfoBase):
        params = (("stocklike", True), ("commtype", backtrader.CommInfoBase.COMM_FIXED))

    class Wishes(backtrader.Strategy):
        def notify_order(self, order):
            if order.status == order.Completed:
                fills.append((len(self) - 1, order.executed.size, order.executed.price, order.executed.comm))
            elif order.status in (order.Canceled, order.Margin, order.Rejected):
                raise RuntimeError(f"expected a fill, found {order.getstatusname()}")

        def next(self):
            equity.append(self.broker.getvalue())
            action = actions[len(self) - 1]
            if action > 0 and self.position.size == 0:
                self.buy(size=shares_for(job["notional"], self.data.close[0]))
            elif action < 0 and self.position.size > 0:
                self.close()

    cerebro = backtrader.Cerebro(stdstats=False)
    cerebro.broker.setcash(job["cash"])
    cerebro.broker.addcommissioninfo(PerShare(commission=job["commissionPerShare"]))
    cerebro.adddata(backtrader.feeds.PandasData(dataname=bars))
    cerebro.addstrategy(Wishes)
    started = time.process_time()
    cerebro.run()
    return time.process_time() - started, fills, equity


def run_backtesting(bars, actions, job):
    import backtesting

    backtesting.backtesting._tqdm = lambda iterable, **_: iterable
    commission = job["commissionPerShare"]

    class Wishes(backtesting.Strategy):
        def init(self):
            pass

        def next(self):
            action = actions[len(self.data) - 1]
            if action > 0 and not self.position:
                self.buy(size=shares_for(job["notional"], self.data.Close[-1]))
            elif action < 0 and self.position:
                self.position.close()

    backtest = backtesting.Backtest(
        bars, Wishes, cash=job["cash"], commission=lambda size, price: abs(size) * commission, finalize_trades=False
    )
    started = time.process_time()
    statistics = backtest.run()
    seconds = time.process_time() - started
    fills = []
    trades = [*statistics["_strategy"].closed_trades, *statistics["_strategy"].trades]
    for trade in trades:
        fills.append((trade.entry_bar, trade.size, trade.entry_price, abs(trade.size) * commission))
        if trade.exit_bar is not None:
            fills.append((trade.exit_bar, -trade.size, trade.exit_price, abs(trade.size) * commission))
    return seconds, sorted(fills), statistics["_equity_curve"]["Equity"].to_numpy()


def run_vectorbt(bars, actions, job):
    import vectorbt

    # from_orders has no strategy: what is ordered is worked out before, and its time is not counted.
    rows = len(bars)
    close = bars["Close"].to_numpy()
    size = np.zeros(rows)
    held = 0
    for row in range(rows - 1):
        if actions[row] > 0 and held == 0:
            held = shares_for(job["notional"], close[row])
            size[row + 1] = held
        elif actions[row] < 0 and held > 0:
            size[row + 1] = -held
            held = 0
    fixed = np.abs(size) * job["commissionPerShare"]
    price = bars["Open"].to_numpy()

    def run():
        portfolio = vectorbt.Portfolio.from_orders(
            bars["Close"], size=size, price=price, fixed_fees=fixed, init_cash=job["cash"], freq="1min"
        )
        return portfolio, portfolio.order_records

    run()
    seconds = []
    for _ in range(job["repeats"]):
        started = time.process_time()
        portfolio, records = run()
        seconds.append(time.process_time() - started)
    fills = [
        (int(record["idx"]), record["size"] * (1 if record["side"] == 0 else -1), record["price"], record["fees"])
        for record in records
    ]
    return float(np.median(seconds)), fills, portfolio.value().to_numpy()


engines = {"backtrader": run_backtrader, "backtesting": run_backtesting, "vectorbt": run_vectorbt}


def main() -> None:
    directory = Path(sys.argv[1])
    job = json.loads((directory / "job.json").read_text())

    def column(name):
        return np.fromfile(directory / f"{name}.bin", dtype="<f8")

    bars = pd.DataFrame(
        {name.capitalize(): column(name) for name in ("open", "high", "low", "close", "volume")},
        index=pd.to_datetime(column("start").astype("int64"), unit="ms"),
    )
    actions = np.fromfile(directory / "actions.bin", dtype="i1").tolist()
    seconds, fills, equity = engines[job["engine"]](bars, actions, job)
    np.asarray(fills, dtype="<f8").tofile(directory / "fills.bin")
    np.asarray(equity, dtype="<f8").tofile(directory / "equity.bin")
    print(json.dumps({"version": version(job["engine"]), "seconds": seconds, "fills": len(fills)}))


main()
