package app.old

import future.keywords.in

default p = {"a": []}

p = x { x := input.x; not input.y }

q[x] { x = input.xs[_]; x = y; y > 2 }

s[k] = v { v := input.o[k] }

s["c"] = 1

m[x].n[y] = 1 { x := input.xs[y] }

a.b.c[d] { d := "x" }

f(x) = y { y := {"k": x}[_] }
f(1) = 2

else_chain { input.a } else = 3 { input.b } else = 4

g { f(input.a, z); z > input.b[_].c["d e"] }

h = set()
h = {} { false }

i { input.x[n]; j = [n, "v"]; j[0] }
