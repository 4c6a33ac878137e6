"""Labels in time: `formats` reads files of the field, `joining` gives each moment its label."""
