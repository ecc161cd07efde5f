package fuzz
r[input.y].b := 1
r[input.x].b := 1 if { {1} == [1] }
a if { lower(r.foo) }
b if { lower(r.foo.b) }
c if { lower(r) }
d if { r.foo.b.c.d }
