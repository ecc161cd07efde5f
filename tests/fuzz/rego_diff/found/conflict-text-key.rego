package fuzz

r0["<&>"] := x if {
	some x in input.a
}
