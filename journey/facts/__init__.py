"""Reading the facts of whole journeys: deals, customer periods, stages elsewhere, and all together for a unit."""
