package fuzz

r1 := v5 if {
	some v5 in {"%d", input.s}
	some v8 in [to_number(v5) | v5 == $"{input.b}."]
}

r2 contains units.parse("x")
