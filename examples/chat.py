"""A conversation on the terminal, with a tool that the program answers itself. Each line of the input is what the user says.

usage: chat.py MODEL.gguf [TOKENS_OF_AN_ANSWER]      needs pyskald (pip install ./bindings/python)
"""
import ast
import operator
import sys

import pyskald

TOOL = {"type": "function", "function": {
    "name": "calculate", "description": "The value of an expression of numbers, + - * / and brackets.",
    "parameters": {"type": "object", "properties": {"expression": {"type": "string"}}, "required": ["expression"]}}}
SIGNS = {ast.Add: operator.add, ast.Sub: operator.sub, ast.Mult: operator.mul, ast.Div: operator.truediv, ast.USub: operator.neg}


def value(node):
    """What a model writes is data: numbers and four signs, and nothing else is run."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float)):
        return node.value
    if isinstance(node, ast.BinOp) and type(node.op) in SIGNS:
        return SIGNS[type(node.op)](value(node.left), value(node.right))
    if isinstance(node, ast.UnaryOp) and type(node.op) in SIGNS:
        return SIGNS[type(node.op)](value(node.operand))
    raise ValueError("numbers, + - * / and brackets only")


def calculate(arguments):
    try:
        return value(ast.parse(str(arguments.get("expression")), mode="eval").body)
    except (SyntaxError, ValueError, ArithmeticError, RecursionError) as wrong:
        return f"error: {wrong}"


def say(pieces):
    for text in pieces:
        print(text, end="", flush=True)


def main():
    path, *n_tokens = sys.argv[1:]
    with pyskald.Model(path).chat(tools=[TOOL], n_tokens=int(n_tokens[0]) if n_tokens else 512) as chat:
        for line in sys.stdin:
            say(chat.ask(line.rstrip("\n")))
            for _ in range(4):  # a model that only calls is not asked for ever
                if not chat.calls:
                    break
                for call in chat.calls:
                    result = calculate(call.arguments) if call.name == "calculate" else f"error: no tool {call.name}"
                    print(f"[{call.name} {call.arguments}: {result}]", file=sys.stderr)
                    chat.result(call.name, result)
                say(chat.reply())
            print()


if __name__ == "__main__":
    main()
