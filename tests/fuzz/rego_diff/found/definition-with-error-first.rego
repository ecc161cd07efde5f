package fuzz

r1 := {data.d.n}

r3(_, _) := 1 if {
	false in [{"name": "x"}, []]
}

r3(_, _) := false

r3(_, x) := is_set(x)

r4("x2", _) := "true" if {
	v40 := r1 with r3 as lower
}
