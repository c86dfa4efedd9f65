"""Reading usage that other gateways wrote, and cutting large files for several processes."""
