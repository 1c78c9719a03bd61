"""The object tree of a .tflite: the order of its signatures."""

from __future__ import annotations

from ai_edge_litert import schema_py_generated as schema

from signbart_port.tflite import object_tree


def a_graph(name: str, *called: tuple[int, int]) -> schema.SubGraphT:
    """A subgraph with a loop for each pair of a condition and a body."""
    graph = schema.SubGraphT()
    graph.name, graph.operators = name.encode(), []
    for condition, body in called:
        op = schema.OperatorT()
        op.builtinOptions = schema.WhileOptionsT()
        op.builtinOptions.condSubgraphIndex, op.builtinOptions.bodySubgraphIndex = condition, body
        graph.operators.append(op)
    return graph


def a_signature(name: str, graph: int) -> schema.SignatureDefT:
    signature = schema.SignatureDefT()
    signature.signatureKey, signature.subgraphIndex = name.encode(), graph
    return signature


def test_signatures_in_another_order() -> None:
    """Everything runs what it did: by the names of the subgraphs."""
    model = schema.ModelT()
    model.subgraphs = [
        a_graph("short", (1, 2)),
        a_graph("condition"),
        a_graph("body", (4, 1)),
        a_graph("long", (4, 2)),
        a_graph("inner"),
    ]
    model.signatureDefs = [a_signature("a short one", 0), a_signature("the longest", 3)]
    before = runs(model)
    object_tree.order_signatures(model, ["the longest", "a short one"])
    assert runs(model) == before
    assert before["a short one"] == [b"short", b"condition", b"body", b"inner"]
    assert [one.signatureKey for one in model.signatureDefs] == [b"the longest", b"a short one"]
    assert [graph.name for graph in model.subgraphs][:2] == [b"long", b"short"]


def runs(model: schema.ModelT) -> dict[str, list[bytes]]:
    """The names of the subgraphs that each signature runs."""
    return {
        name: [model.subgraphs[number].name for number in object_tree.graphs_of(model, name)]
        for name in object_tree.signatures(model)
    }
