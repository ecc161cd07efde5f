"""Random, mostly well-typed Rego modules: what the differential fuzzer feeds to both programs.

A module is a list of chunks (rules), so that a difference can be made small by leaving chunks and statements out. Rules
refer only to rules before them, but for a rare recursion that both programs must refuse. Everything depends on the
random generator given, nothing on time or hashing."""

import re

NUM, STR, BOOL, ANY = "num", "str", "bool", "any"
ARR_NUM, ARR_STR, SET_NUM, SET_STR = "arr num", "arr str", "set num", "set str"
OBJ_NUM, OBJ_STR, USERS, USER, ARR_ANY = "obj num", "obj str", "arr user", "user", "arr any"
SCALARS = [NUM, STR, BOOL]
ELEMENT = {ARR_NUM: NUM, ARR_STR: STR, SET_NUM: NUM, SET_STR: STR, USERS: USER, ARR_ANY: ANY}
MEMBER = {OBJ_NUM: NUM, OBJ_STR: STR}
COLLECTIONS = [*ELEMENT, *MEMBER]
ALL = SCALARS + COLLECTIONS + [USER, ANY]

# Deterministic built-ins: name, operand types, result.
BUILTINS = [
    ("abs", [NUM], NUM), ("ceil", [NUM], NUM), ("floor", [NUM], NUM), ("round", [NUM], NUM),
    ("count", [ARR_NUM], NUM), ("count", [OBJ_NUM], NUM), ("count", [STR], NUM), ("count", [SET_STR], NUM),
    ("sum", [ARR_NUM], NUM), ("sum", [SET_NUM], NUM), ("product", [ARR_NUM], NUM), ("max", [ARR_NUM], NUM),
    ("min", [SET_NUM], NUM), ("max", [ARR_STR], STR), ("min", [SET_STR], STR), ("sort", [ARR_ANY], ARR_ANY),
    ("sort", [SET_NUM], ARR_NUM), ("sort", [ARR_STR], ARR_STR),
    ("array.concat", [ARR_NUM, ARR_NUM], ARR_NUM), ("array.concat", [ARR_STR, ARR_STR], ARR_STR),
    ("array.reverse", [ARR_NUM], ARR_NUM), ("array.slice", [ARR_STR, NUM, NUM], ARR_STR),
    ("array.flatten", [ARR_ANY], ARR_ANY),
    ("concat", [STR, ARR_STR], STR), ("concat", [STR, SET_STR], STR), ("contains", [STR, STR], BOOL),
    ("startswith", [STR, STR], BOOL), ("endswith", [STR, STR], BOOL), ("indexof", [STR, STR], NUM),
    ("indexof_n", [STR, STR], ARR_NUM), ("lower", [STR], STR), ("upper", [STR], STR), ("replace", [STR, STR, STR], STR),
    ("split", [STR, STR], ARR_STR), ("sprintf", ["format", ARR_ANY], STR), ("substring", [STR, NUM, NUM], STR),
    ("trim", [STR, STR], STR), ("trim_left", [STR, STR], STR), ("trim_prefix", [STR, STR], STR),
    ("trim_right", [STR, STR], STR), ("trim_suffix", [STR, STR], STR), ("trim_space", [STR], STR),
    ("strings.reverse", [STR], STR), ("strings.count", [STR, STR], NUM), ("format_int", [NUM, "base"], STR),
    ("strings.replace_n", [OBJ_STR, STR], STR), ("strings.any_prefix_match", [ARR_STR, ARR_STR], BOOL),
    ("strings.any_suffix_match", [SET_STR, STR], BOOL),
    ("to_number", [STR], NUM), ("to_number", [ANY], NUM), ("type_name", [ANY], STR), ("is_number", [ANY], BOOL),
    ("is_string", [ANY], BOOL), ("is_array", [ANY], BOOL), ("is_object", [ANY], BOOL), ("is_set", [ANY], BOOL),
    ("is_boolean", [ANY], BOOL), ("is_null", [ANY], BOOL),
    ("json.marshal", [ANY], STR), ("json.unmarshal", [STR], ANY), ("json.is_valid", [STR], BOOL),
    ("json.filter", [USER, "paths"], ANY), ("json.remove", [USER, "paths"], ANY), ("yaml.marshal", [OBJ_NUM], STR),
    ("yaml.unmarshal", [STR], ANY), ("base64.encode", [STR], STR), ("base64.decode", [STR], STR),
    ("base64url.encode_no_pad", [STR], STR), ("hex.encode", [STR], STR), ("hex.decode", [STR], STR),
    ("urlquery.encode", [STR], STR), ("urlquery.decode", [STR], STR), ("urlquery.encode_object", [OBJ_STR], STR),
    ("crypto.md5", [STR], STR), ("crypto.sha256", [STR], STR), ("crypto.hmac.sha1", [STR, STR], STR),
    ("object.get", [OBJ_NUM, STR, NUM], NUM), ("object.get", [USER, "path", STR], ANY), ("object.keys", [OBJ_NUM],
    SET_STR),
    ("object.union", [OBJ_NUM, OBJ_NUM], OBJ_NUM), ("object.union_n", ["objects"], ANY),
    ("object.remove", [OBJ_STR, SET_STR], OBJ_STR), ("object.filter", [OBJ_STR, ARR_STR], OBJ_STR),
    ("object.subset", [OBJ_NUM, OBJ_NUM], BOOL), ("object.subset", [ARR_NUM, ARR_NUM], BOOL),
    ("numbers.range", ["small", "small"], ARR_NUM), ("numbers.range_step", ["small", "small", "small"], ARR_NUM),
    ("bits.and", [NUM, NUM], NUM), ("bits.or", [NUM, NUM], NUM), ("bits.xor", [NUM, NUM], NUM),
    ("bits.lsh", [NUM, "small"], NUM), ("bits.rsh", [NUM, "small"], NUM), ("bits.negate", [NUM], NUM),
    ("regex.match", ["pattern", STR], BOOL), ("regex.split", ["pattern", STR], ARR_STR),
    ("regex.find_n", ["pattern", STR, "small"], ARR_STR), ("regex.replace", [STR, "pattern", STR], STR),
    ("regex.is_valid", [STR], BOOL), ("regex.find_all_string_submatch_n", ["pattern", STR, "small"], ANY),
    ("glob.match", ["glob", ARR_STR, STR], BOOL), ("glob.quote_meta", [STR], STR),
    ("intersection", ["sets"], SET_NUM), ("union", ["sets"], SET_NUM), ("semver.is_valid", [STR], BOOL),
    ("semver.compare", ["version", "version"], NUM), ("units.parse", ["unit"], NUM), ("units.parse_bytes", ["unit"],
    NUM),
    ("net.cidr_contains", ["cidr", "cidr"], BOOL), ("net.cidr_is_valid", [STR], BOOL), ("net.cidr_merge", ["cidrs"],
    SET_STR),
    ("time.parse_rfc3339_ns", ["timestamp"], NUM), ("time.date", [NUM], ANY), ("time.weekday", [NUM], STR),
    ("time.add_date", [NUM, "small", "small", "small"], NUM), ("time.diff", [NUM, NUM], ANY), ("time.clock", [NUM],
    ANY),
    ("time.parse_duration_ns", ["duration"], NUM), ("time.format", [NUM], STR), ("uuid.parse", [STR], ANY),
    ("graph.reachable", ["graph", ARR_STR], SET_STR), ("graph.reachable_paths", ["graph", ARR_STR], ANY),
    ("json.patch", [USER, "patch"], ANY), ("rego.metadata.rule", [], ANY), ("uri.parse", ["uri"], ANY),
]
SPECIAL = {
    "format": ['"%v"', '"%d-%s"', '"%s:%v"', '"%5d|"', '"%x"', '"%.2f"', '"%q"', '"%t %v"', '"%v %v %v"', '"100%%"',
               '"%08.3f"', '"%-6s|"', '"%e"', '"%T"', '"%[2]v %[1]v"', '"%+d"', '"%c"', '"%U"', '"%*d"', '"%!"'],
    "base": ["2", "8", "10", "16", "7"],
    "small": ["0", "1", "2", "3", "-1", "10", "64"],
    "pattern": ['"a"', '"[a-c]+"', '"^x"', '"(b)(c)?"', '"\\\\d+"', '"[["', '"(?i)AB"', '"."', '""', "`\\w+`",
    "`(?P<n>a)|b`"],
    "glob": ['"*"', '"a*"', '"a:*:c"', '"{ab,cd}"', '"?b"', '"[a-c]*"', '"**"', '"a.**.b"', '"[!a]"', '"\\\\*"',
    '"{a"'],
    "paths": ['["name"]', '["tags/0", "id"]', '[["tags", 0]]', '{"name"}', '["nope/x"]', '[]'],
    "path": ['"name"', '["tags", 1]', '["tags", 7]', '"x"', "[]"],
    "objects": ['[{"a": 1}, {"a": {"b": 2}}, {"a": {"c": 3}}]', "[]", "[input.o, data.d.o]",
    '[{"a": [1]}, {"a": [2]}]'],
    "sets": ["{{1, 2}, {2, 3}}", "set()", "{{1}}", "{{1, 2}, {x | some x in input.a}}"],
    "version": ['"1.2.3"', '"1.2.3-rc.1"', '"2.0.0+b"', '"1.2"', '"1.10.0"', '"x"'],
    "unit": ['"10K"', '"1.5Mi"', '"3"', '"2e3m"', '"7GiB"', '"x"', '""', '"1_0"', '"0.1E"'],
    "cidr": ['"10.0.0.0/8"', '"10.1.2.3"', '"10.1.0.0/16"', '"::1/64"', '"300.1.1.1"', '"fe80::/10"'],
    "cidrs": ['["10.0.0.0/9", "10.128.0.0/9"]', '{"10.0.0.1", "10.0.0.0"}', '["x"]', "[]",
    '["10.0.0.0/8", "10.1.0.0/16", "::/0"]'],
    "timestamp": ['"2021-03-04T05:06:07Z"', '"2021-02-30T00:00:00Z"', '"2020-02-29T23:59:60.5+01:00"', '"x"',
    '"1600-01-01T00:00:00Z"'],
    "duration": ['"1h2m"', '"1.5s"', '"-3ms"', '"x"', '"1"', '"0"', '"1h-2m"', '"99999999h"'],
    "graph": ['{"a": ["b", "c"], "b": ["a"], "c": []}', '{"a": {"b"}, "b": {"c"}}', "{}", '{"a": ["a"]}'],
    "patch": ['[{"op": "add", "path": "/x", "value": 1}]', '[{"op": "remove", "path": "name"}]',
              '[{"op": "replace", "path": ["tags", 0], "value": "z"}]', '[{"op": "test", "path": "/id", "value": 1}]',
              '[{"op": "move", "from": "/name", "path": "/n"}]', '[{"op": "copy", "from": "/id", "path": "/tags/-"}]',
              '[{"op": "add", "path": "/tags/9", "value": 1}]', '[{"op": "nope", "path": "/x"}]'],
    "uri": ['"http://u:p@h:80/a/b?c=d#e"', '"/x"', '"://"', '"mailto:a@b"', '"http://[::1]:9/%41"'],
}
NUMBERS = ["0", "1", "2", "3", "-1", "10", "0.5", "1.0", "1e2", "-7", "100", "9007199254740993", "18446744073709551616",
           "1e-3", "2.50", "0.1", "1e20", "-0", "63", "64"]
STRINGS = ["", "a", "b", "abc", "x", "a.b", "a:b:c", "AbC", " a ", "1", "12", "-3.5", "é", "日本", "a/b", "true", "null",
           '{\\"a\\": 1}', "[1, 2]", "\\t", "%d", "aGk=", "YQ==", "ff", "\\u0001", "<&>", "a\\\\b", "x1", "x2", "b c"]
KEYS = ["a", "b", "c", "x", "id", "name"]
INPUTS = [
    {"n": 3, "s": "abc", "b": True, "a": [1, 2, 3, 2], "sa": ["a", "b", "x"], "o": {"a": 1, "b": 2},
     "os": {"a": "x", "c": "abc"}, "u": [{"id": 1, "name": "ann", "tags": ["a", "b"]},
     {"id": 2, "name": "bob", "tags": []}], "m": {"a": {"b": {"c": 1}}, "x": [[1, [2]], {"y": None}]}},
    {"n": 2.5, "s": "", "b": False, "a": [], "sa": ["x1", "é", ""], "o": {"x": -1}, "os": {},
     "u": [{"id": "7", "name": None, "tags": ["a"]}, {"name": "x"}], "m": None},
    {"n": 1e20, "s": "a.b", "a": [10, "x", None, {"a": [1]}], "o": {"a": "no"}, "u": {}, "m": [False, 0, "", {}, []]},
    {},
    None,
    [1, "a"],
]
DATA = {"d": {"n": 7, "s": "x", "b": True, "a": [5, 3, 5], "sa": ["b", "a"], "o": {"a": 10, "c": 30}, "os": {"a": "A"},
              "u": [{"id": 1, "name": "ann", "tags": ["x"]}, {"id": 3, "name": "cyd", "tags": ["a", "a"]}],
              "m": {"k": {"a": 1}, "l": {"a": 2, "b": [1, 2]}}}}
FIELDS = {NUM: "n", STR: "s", BOOL: "b", ARR_NUM: "a", ARR_STR: "sa", OBJ_NUM: "o", OBJ_STR: "os", USERS: "u", ANY: "m"}


class Rule:
    """What later rules may refer to: a name, how it is used, and its type."""

    def __init__(self, name, kind, type_, arguments=()):
        self.name, self.kind, self.type, self.arguments = name, kind, type_, arguments


class Module:
    """One random module. chunks: list of [head text or lines…]; see text()."""

    def __init__(self, rng):
        self.rng = rng
        self.rules = []
        self.vars = []  # of the body being written: (name, type)
        self.fresh = 0
        self.chunks = []
        for i in range(rng.randint(2, 7)):
            self.rule(i)

    def text(self):
        return "package fuzz\n\n" + "\n\n".join(c for c in self.chunks) + "\n"

    # ---- small choices
    def chance(self, p):
        return self.rng.random() < p

    def pick(self, items):
        return items[self.rng.randrange(len(items))]

    def name(self, prefix="v"):
        self.fresh += 1
        return f"{prefix}{self.fresh}"

    # ---- expressions
    def literal(self, t, depth=2):
        r = self.rng
        if t in SPECIAL:
            return self.pick(SPECIAL[t])
        if t == NUM:
            return self.pick(NUMBERS) if self.chance(0.4) else str(r.randint(-3, 12))
        if t == STR:
            return '"' + self.pick(STRINGS) + '"'
        if t == BOOL:
            return self.pick(["true", "false"])
        if t in (ARR_NUM, ARR_STR, ARR_ANY, USERS):
            items = [self.expr(ELEMENT[t], depth - 1) for _ in range(r.randint(0, 3))]
            return "[" + ", ".join(items) + "]"
        if t in (SET_NUM, SET_STR):
            items = [self.expr(ELEMENT[t], depth - 1) for _ in range(r.randint(0, 3))]
            return "{" + ", ".join(items) + "}" if items else "set()"
        if t in MEMBER:
            keys = sorted(set(self.pick(KEYS) for _ in range(r.randint(0, 3))))
            return "{" + ", ".join(f'"{k}": {self.expr(MEMBER[t], depth - 1)}' for k in keys) + "}"
        if t == USER:
            return (
                f'{{"id": {self.expr(NUM, depth - 1)}, "name": {self.expr(STR, depth - 1)}, '
                f'"tags": {self.expr(ARR_STR, depth - 1)}}}'
            )
        if self.chance(0.15):
            return "null"
        return self.literal(self.pick(ALL[:-1]), depth)

    def root(self, t):
        """A ref into input or data of a type, or None."""
        where = self.pick(["input", "input", "data.d"])
        if t in FIELDS and not self.chance(0.1):
            return f"{where}.{FIELDS[t]}"
        if t == ANY:
            return f"{where}.{self.pick(list(FIELDS.values()) + ['zz'])}"
        if t == USER:
            return f"{where}.u[{self.pick(['0', '1', '2', '_'])}]"
        if t == NUM:
            return self.pick([f"{where}.u[0].id", f"{where}.a[{self.rng.randint(0, 3)}]",
            f"{where}.o.{self.pick(KEYS)}",
                              f'{where}.o[{self.expr(STR, 0)}]', f"{where}.a[_]", f"{where}.o[_]"])
        if t == STR:
            return self.pick([f"{where}.u[1].name", f"{where}.sa[0]", f'{where}.os["{self.pick(KEYS)}"]',
            f"{where}.sa[_]",
                              f"{where}.u[_].tags[_]"])
        return None

    def use_rule(self, t, depth):
        options = [x for x in self.rules if x.type == t or (x.kind in ("set", "object") and x.type == t)]
        if not options:
            return None
        x = self.pick(options)
        if x.kind == "function":
            return f"{x.name}(" + ", ".join(self.expr(a, depth - 1) for a in x.arguments) + ")"
        if x.kind == "ref":
            return f"{x.name}[{self.expr(STR, 0)}]"
        return x.name if not self.chance(0.2) else f"data.fuzz.{x.name}"

    def used(self, lines, mark, *elsewhere):
        """The lines and, mostly, one more that uses the variables which nothing else uses: not using one is an
        error."""
        written = " ".join([*lines, *elsewhere])
        unused = [n for n, _ in self.vars[mark:] if len(re.findall(rf"\b{n}\b", written)) < 2]
        if unused and self.chance(0.95):
            lines.append(f"[{', '.join(unused)}] != null")
        return lines

    def comprehension(self, t, depth):
        mark = len(self.vars)
        lines = [self.statement(depth - 1) for _ in range(self.rng.randint(1, 2))]
        body = "; ".join(self.used(lines, mark))
        if t in MEMBER:
            key, value = self.expr(STR, 0), self.expr(MEMBER[t], depth - 1)
            out = f"{{{key}: {value} | {body}}}"
        else:
            head = self.expr(ELEMENT[t], depth - 1)
            out = f"[{head} | {body}]" if t.startswith("arr") else f"{{{head} | {body}}}"
        del self.vars[mark:]
        return out

    def expr(self, t, depth):
        if t in SPECIAL:
            return self.pick(SPECIAL[t])
        ways = []
        local = [n for n, k in self.vars if k == t]
        if local:
            ways += ["local"] * 5
        ways += ["root"] * 3 + ["literal"] * 2 + ["rule"] * 2
        if depth > 0:
            ways += ["call"] * 3
            if t == NUM:
                ways += ["arith"] * 2
            if t in (SET_NUM, SET_STR):
                ways += ["setop"] * 2
            if t in ELEMENT or t in MEMBER:
                ways += ["comprehension"] * 2
            if t == BOOL:
                ways += ["compare"] * 2
            if t == STR:
                ways += ["template"]
        if t == ANY and depth > 0 and self.chance(0.5):
            return self.expr(self.pick(ALL[:-1]), depth - 1)
        way = self.pick(ways)
        out = None
        if way == "local":
            out = self.pick(local)
        elif way == "root":
            out = self.root(t)
        elif way == "rule":
            out = self.use_rule(t, depth)
        elif way == "call":
            options = [b for b in BUILTINS if b[2] == t]
            if options:
                name, arguments, _ = self.pick(options)
                out = f"{name}(" + ", ".join(self.expr(a, depth - 1) for a in arguments) + ")"
        elif way == "arith":
            op = self.pick(["+", "-", "*", "/", "%"])
            out = f"({self.expr(NUM, depth - 1)} {op} {self.expr(NUM, depth - 1)})"
        elif way == "setop":
            op = self.pick(["&", "|", "-"])
            out = f"({self.expr(t, depth - 1)} {op} {self.expr(t, depth - 1)})"
        elif way == "comprehension":
            out = self.comprehension(t, depth)
        elif way == "template":
            out = '$"' + self.pick(["x", "", "a-"]) + "{" + self.expr(self.pick(SCALARS), 0) + '}."'
            if '"' in out[2:-1] or "\\" in out:
                out = None
        elif way == "compare":
            k = self.pick(SCALARS)
            op = self.pick(['==', '!=', '<', '>=', '>', '<='])
            out = f"({self.expr(k, depth - 1)} {op} {self.expr(k, depth - 1)})"
        return out or self.literal(t, max(depth, 1))

    # ---- statements; those that bind add to self.vars
    def statement(self, depth):
        r = self.rng.random()
        if r < 0.2:
            t = self.pick(ALL)
            v, e = self.name(), self.expr(t, depth)
            self.vars.append((v, t))
            return f"{v} := {e}"
        if r < 0.38:
            t = self.pick(COLLECTIONS)
            e, v = self.expr(t, depth), self.name()
            element = ELEMENT.get(t) or MEMBER.get(t)
            if self.chance(0.4):
                k = self.name("k")
                kt = STR if t in MEMBER else element if t.startswith("set") else NUM
                self.vars += [(k, kt), (v, element)]
                return f"some {k}, {v} in {e}"
            self.vars.append((v, element))
            return f"some {v} in {e}"
        if r < 0.46:
            t = self.pick([ARR_NUM, ARR_STR, OBJ_NUM, OBJ_STR, USERS])
            base, v, k = self.root(t) or self.use_rule(t, 1) or self.name("input_"), self.name(), self.name("k")
            if base.startswith("input_"):
                base = "input"
            element = ELEMENT.get(t) or MEMBER.get(t)
            self.vars += [(k, STR if t in MEMBER else NUM), (v, element)]
            return f"some {k}; {v} = {base}[{k}]"
        if r < 0.62:
            k = self.pick(SCALARS + [ANY])
            op = self.pick(["==", "!=", "<", ">", "<=", ">=", "=="])
            return f"{self.expr(k, depth)} {op} {self.expr(k, depth)}"
        if r < 0.70:
            mark = len(self.vars)
            e = self.expr(self.pick([BOOL, NUM, ANY]), depth)
            del self.vars[mark:]
            return f"not {e}"
        if r < 0.76 and depth > 0:
            t = self.pick([ARR_NUM, ARR_STR, SET_NUM, USERS, OBJ_NUM])
            domain, v = self.expr(t, depth - 1), self.name()
            mark = len(self.vars)
            element = ELEMENT.get(t) or MEMBER.get(t)
            self.vars.append((v, element))
            k = ""
            if self.chance(0.4):
                k = self.name("k")
                self.vars.append((k, STR if t in MEMBER else NUM))
                k += ", "
            lines = [self.statement(depth - 1) for _ in range(self.rng.randint(1, 2))]
            body = "; ".join(self.used(lines, mark, f"every {k}{v} in"))
            del self.vars[mark:]
            return f"every {k}{v} in {domain} {{ {body} }}"
        if r < 0.82:
            k = self.pick(SCALARS)
            coll = self.pick([c for c in [ARR_NUM, ARR_STR, SET_NUM, SET_STR, OBJ_NUM]
                              if (ELEMENT.get(c) or MEMBER[c]) == k]
                             or [ARR_ANY])
            where = (self.chance(0.5) and self.use_rule(coll, 1)) or self.expr(coll, depth)
            mark = len(self.vars)
            test = f"{self.expr(k, depth)} in {where}"
            if self.chance(0.2):
                del self.vars[mark:]
                return "not " + test
            return test
        if r < 0.87:
            a, b = self.name(), self.name()
            e = f"[{self.expr(NUM, depth)}, {self.expr(STR, depth)}]"
            self.vars += [(a, NUM), (b, STR)]
            return self.pick([f"[{a}, {b}] = {e}", f"[{a}, {b}] := {e}", f"{e} = [{a}, {b}]"])
        if r < 0.90:
            p, v = self.name("p"), self.name()
            e = self.expr(ANY, 1)
            self.vars += [(p, ARR_ANY), (v, ANY)]
            return f"walk({e}, [{p}, {v}])"
        if r < 0.95 and self.rules:
            x = self.pick(self.rules)
            call = x.name
            if x.kind == "function":
                call += "(" + ", ".join(self.expr(a, 0) for a in x.arguments) + ")"
            target = self.pick(["input", "input.n", "input.a", "data.d.n", "data.d", "input.s", "input.o.a"])
            value = self.expr(ANY, 1)
            t = x.type if x.kind != "ref" else ANY
            if self.chance(0.2):
                target, value = self.pick([("count", "7"), ("upper", "lower"), ("startswith", "true")])
                if self.chance(0.3):
                    functions = [f for f in self.rules if f.kind == "function" and f is not x]
                    if functions:
                        target = self.pick(functions).name
            v = self.name()
            self.vars.append((v, t))
            return f"{v} := {call} with {target} as {value}"
        return self.expr(BOOL, depth)

    # ---- rules
    def body(self):
        mark = len(self.vars)
        lines = [self.statement(2) for _ in range(self.rng.randint(1, 4))]
        return self.used(lines, mark)

    def rule(self, i):
        kind = self.pick(["complete", "complete", "complete", "set", "set", "object", "function", "ref"])
        name = f"r{i}"
        self.vars = []
        out = []
        if kind == "function":
            types = [self.pick([NUM, STR, ARR_NUM, ANY, OBJ_NUM]) for _ in range(self.rng.randint(1, 2))]
            t = self.pick([NUM, STR, BOOL, ARR_NUM, ANY])
            for _ in range(self.rng.randint(1, 3)):
                names = [self.name("a") for _ in types]
                self.vars = list(zip(names, types))
                shown = list(names)
                if self.chance(0.25):
                    shown[0] = self.literal(types[0], 0) if types[0] in SCALARS else "_"
                    self.vars = self.vars[1:]
                lines = self.body()
                out.append(self.write(f"{name}({', '.join(shown)}) := {self.expr(t, 1)}", lines))
            if self.chance(0.2):
                out.append(f"default {name}({', '.join('_' for _ in types)}) := {self.constant(t)}")
            made = Rule(name, kind, t, types)
        elif kind == "complete":
            t = self.pick(ALL)
            if self.chance(0.4):
                out.append(f"default {name} := {self.constant(t)}")
            for _ in range(self.rng.randint(1, 3)):
                self.vars = []
                lines = self.body()
                text = self.write(f"{name} := {self.expr(t, 1)}" if not self.chance(0.2) else name, lines)
                while self.chance(0.25):
                    self.vars = []
                    lines = self.body()
                    text += " " + self.write(f"else := {self.expr(t, 1)}", lines)
                out.append(text)
            made = Rule(name, kind, t)
        elif kind == "set":
            t = self.pick([SET_NUM, SET_STR])
            for _ in range(self.rng.randint(1, 2)):
                self.vars = []
                lines = self.body()
                out.append(self.write(f"{name} contains {self.expr(ELEMENT[t], 1)}", lines))
            made = Rule(name, kind, t)
        elif kind == "object":
            t = self.pick([OBJ_NUM, OBJ_STR])
            for _ in range(self.rng.randint(1, 2)):
                self.vars = []
                lines = self.body()
                out.append(self.write(f"{name}[{self.expr(STR, 1)}] := {self.expr(MEMBER[t], 1)}", lines))
            made = Rule(name, kind, t)
        else:
            t = self.pick(SCALARS)
            for _ in range(self.rng.randint(1, 3)):
                self.vars = []
                lines = self.body()
                head = self.pick([f"{name}.a.b := {self.expr(t, 1)}",
                f"{name}[{self.expr(STR, 0)}].b := {self.expr(t, 1)}",
                                  f"{name}.s contains {self.expr(t, 1)}",
                                  f"{name}.x[{self.expr(STR, 0)}] := {self.expr(t, 1)}"])
                out.append(self.write(head, lines))
            made = Rule(name, kind, ANY)
        if self.chance(0.05):
            out.insert(0, f"# METADATA\n# title: {name}\n# custom: {{a: 1}}")
            out = ["\n".join(out[:2])] + out[2:]
        self.chunks += out
        self.rules.append(made)

    def constant(self, t):
        """Without refs, calls and variables: what `default` takes."""
        return {NUM: "0", STR: '"d"', BOOL: "false", USER: "{}", ANY: "null"}.get(t) or (
            "[]" if t.startswith("arr") else "set()" if t.startswith("set") else "{}"
        )

    def write(self, head, lines):
        return head + " if {\n" + "\n".join("\t" + line for line in lines) + "\n}"
