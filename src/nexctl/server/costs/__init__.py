"""What the operator pays: cost profiles, costs beside usage, margins, prices made from costs."""
