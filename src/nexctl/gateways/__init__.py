"""How to talk to a gateway: the port that workflows use, the client, one file per driver.

`port` says what a gateway can do, in the contract's own types. `client` makes calls from the route
table and turns refusals into errors with exit codes (`refused`). `drivers.open_gateway` picks the
driver; `nexctl` speaks the contract, in process and over the network alike.
"""
