package fuzz

r0 contains input.s if {
	x := hex.decode("é")
	x != 1
}
