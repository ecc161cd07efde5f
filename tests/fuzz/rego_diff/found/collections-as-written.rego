package fuzz

two := input.u[1].id

b := input.sa[1]

order := [x | v := input.u[0].id; w := two; some x in {v, 2, w, [v]}]

entries := [[k, x] | v := two; w := b; some k, x in {v: 1, 2: 3, w: 4, "a": 0}]

first_key := [o.b | v := b; o := {v: 1, "b": 3}]

last_key := [o | v := b; o := {v: 1, "b": 3}]

inside := [x | v := two; s := [{"k": {v, 2, 1}}]; t := s[0].k; x := t[_]]

f(s) := [x | x := s[_]]

same(s) := s

pair(s) := {s, 2}

argument := [y | v := two; y := f({v, 2, 1})]

returned := [x | v := two; s := same({v, 2}); x := s[_]]

made := [[x, y] | x := pair(two)[_]; y := pair(two)[_]]

document := {v, 2} if v := two

asked_first := [x | x := document[_]]

asked_then := [[x, y] | x := document[_]; y := document[_]]

remembered := [x | document; x := document[_]]

counted := count({two, 2})

comprehended := [x | v := two; some x in {z | some z in {v, 2}}]

lengths := [y | v := b; o := {"b": 1, v: 2}; o == {"b": 2}; y := 1]

pattern := [y | v := b; o := {"b": 1, v: 2}; {"b": y} = o]

compound := [x | v := two; some [x, 1] in {[v, 1], [2, 1]}]

united := [x | v := b; some x in {v, "b"} | {v, "b"}]

walked := [x | v := b; walk([{v, "b"}], [_, x])]

replaced := [y | v := b; y := document[_] with input as {"u": [0, {"id": {v, "b"}}]}]

elements contains [v, {v, 2}] if v := two

element := [x | some [_, s] in elements; x := s[_]]

parts[v] := {v, "b"} if v := b

part := [x | x := parts[b][_]]
