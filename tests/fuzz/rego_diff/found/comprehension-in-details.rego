package fuzz

r1 if {
	x := ([1 | input.a] - 2) == 3
	x[input.n]
}

r2 if {
	{k: v | some k, v in input.o; v != null}.a.b.c == [y | y := x[_]; x := "a"; x == 2][0].a
}
