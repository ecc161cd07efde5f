package fuzz

r1 := x if {
	x := $"x{count(v14)}"
}

r2 := $"{input.a[v15]}"
