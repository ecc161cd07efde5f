#!/usr/bin/env python3
"""graphql.*: what the built-ins say of good and bad documents, compared with answers recorded from OPA. `OPA=opa
graphql_test.py --record` records anew. All results come from one evaluation, each error's text from one of its own."""
import json
import os
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
RECORD = os.path.join(HERE, "graphql_cases.json")

SCHEMA = """
"A shop" # of books
schema { query: Root mutation: Change subscription: Feed }
directive @cost(weight: Int! = 1, tag: String) repeatable on FIELD_DEFINITION | FIELD | OBJECT
interface Item { id: ID! price(currency: Currency = EUR): Float }
type Book implements Item @cost(weight: 2) {
  id: ID! price(currency: Currency = EUR): Float
  \"\"\"
  Written by
    somebody
  \"\"\"
  authors(first: Int!, after: String): [Author!]!
}
type Record implements Item { id: ID! price(currency: Currency = EUR): Float length: Int artist: Author }
type Author { name: String! items: [Item] books: [Book!] best: Thing }
union Thing = Book | Record
enum Currency { EUR USD @deprecated(reason: "old") GBP }
input Filter { text: String! max: Float = 3.5 inner: Filter tags: [String!] }
input Pick @oneOf { id: ID name: String }
scalar Date
type Root { items(filter: Filter, pick: Pick, day: Date): [Item] author(id: ID!): Author thing: Thing ok: Boolean }
type Change { add(title: String!, count: Int, prices: [Float!]): Book }
type Feed { added: Item removed: Item }
extend type Root { more: Int @cost }
"""

def cases():
    """Rows: the built-in's name, its operands, the recorded answer."""
    with open(RECORD, encoding="utf-8") as file:
        rows = json.load(file)
    return [(name, [SCHEMA if o == "SCHEMA" else o for o in operands], answer) for name, operands, answer in rows]


def module(list_of_cases):
    """A module with a test of each case: its value, or nothing; errors come one by one with strict errors."""
    lines = ["package cases"]
    for i, (name, operands, _) in enumerate(list_of_cases):
        args = ", ".join("input[%d][1][%d]" % (i, k) for k in range(len(operands)))
        lines.append('results["%d"] := graphql.%s(%s)' % (i, name, args))
    return "\n".join(lines) + "\n"


def evaluate(program, folder, query, strict):
    command = [program, "eval", "--format", "json", "-d", os.path.join(folder, "m.rego"), "-i",
               os.path.join(folder, "input.json"), query]
    done = subprocess.run(command + (["--strict-builtin-errors"] if strict else []), capture_output=True, text=True,
                          check=False)
    answer = json.loads(done.stdout)
    if "errors" in answer:
        return {"error": answer["errors"][0]["message"]}
    return answer["result"][0]["expressions"][0]["value"]


def answers(program):
    """What the program answers to each case: a value, or the text of its error."""
    todo = cases()
    with tempfile.TemporaryDirectory() as folder:
        with open(os.path.join(folder, "m.rego"), "w", encoding="utf-8") as file:
            file.write(module(todo))
        with open(os.path.join(folder, "input.json"), "w", encoding="utf-8") as file:
            json.dump(todo, file)
        values = evaluate(program, folder, "data.cases.results", False)
        out = []
        for i, (name, operands, _) in enumerate(todo):
            if str(i) in values:
                out.append(values[str(i)])
            else:
                args = ", ".join("input[%d][1][%d]" % (i, k) for k in range(len(operands)))
                out.append(evaluate(program, folder, "graphql.%s(%s)" % (name, args), True))
    return out


def record():
    """Replaces the answers by OPA's."""
    with open(RECORD, encoding="utf-8") as file:
        rows = json.load(file)
    for row, answer in zip(rows, answers(os.environ["OPA"])):
        row[2] = answer
    with open(RECORD, "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n")


def main():
    if "--record" in sys.argv:
        record()
        return 0
    got = answers(os.environ.get("COUNTERSIGN", "build/release/countersign"))
    passed = failed = 0
    for (name, operands, want), have in zip(cases(), got):
        if want == have:
            passed += 1
        else:
            failed += 1
            print("graphql.%s%s\n  want %s\n  got  %s" % (name, json.dumps(operands)[:300], json.dumps(want)[:600],
                                                          json.dumps(have)[:600]))
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
