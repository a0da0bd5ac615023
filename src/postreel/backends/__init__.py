"""Backends: the ports of `ports.py` on real disks, sockets and clocks. Opened by `app.py` alone; knows no gate."""
