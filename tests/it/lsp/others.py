"""A session with the client of pygls: what another implementation of the protocol makes of the server's messages.

Arguments are the program and a workspace with the shop. Prints what came, as JSON."""

import asyncio
import json
import sys
from pathlib import Path

from lsprotocol import types
from pygls.lsp.client import LanguageClient

BINARY, FOLDER = sys.argv[1], Path(sys.argv[2])
FILE = FOLDER / "projections/new.yaml"


def text_of(sql):
    return f"projection: fresh\nkey: [total]\nsql: |\n  {sql}\n"


async def session():
    client = LanguageClient("test", "1")
    published = asyncio.Queue()
    registered = asyncio.Event()

    @client.feature(types.TEXT_DOCUMENT_PUBLISH_DIAGNOSTICS)
    def on_diagnostics(params):
        if params.uri == FILE.as_uri():
            published.put_nowait(params)

    @client.feature(types.CLIENT_REGISTER_CAPABILITY)
    def on_register(params):
        registered.set()

    await client.start_io(BINARY, "lsp")
    watching = types.DidChangeWatchedFilesClientCapabilities(dynamic_registration=True)
    capabilities = types.ClientCapabilities(
        workspace=types.WorkspaceClientCapabilities(did_change_watched_files=watching),
        general=types.GeneralClientCapabilities(position_encodings=[types.PositionEncodingKind.Utf16]),
    )
    folder = types.WorkspaceFolder(uri=FOLDER.as_uri(), name="shop")
    about = await client.initialize_async(
        types.InitializeParams(capabilities=capabilities, workspace_folders=[folder])
    )
    client.initialized(types.InitializedParams())
    await registered.wait()

    broken = text_of("SELECT '😀ü', tota FROM orders.order_placed")
    item = types.TextDocumentItem(uri=FILE.as_uri(), language_id="yaml", version=1, text=broken)
    client.text_document_did_open(types.DidOpenTextDocumentParams(text_document=item))
    first = await published.get()
    while first.version != 1:
        first = await published.get()

    def change(version, sql):
        document = types.VersionedTextDocumentIdentifier(uri=FILE.as_uri(), version=version)
        whole = types.TextDocumentContentChangeWholeDocument(text=text_of(sql))
        client.text_document_did_change(
            types.DidChangeTextDocumentParams(text_document=document, content_changes=[whole])
        )

    def at(kind, line, character):
        document = types.TextDocumentIdentifier(uri=FILE.as_uri())
        return kind(text_document=document, position=types.Position(line=line, character=character))

    change(2, "SELECT o. FROM orders.order_placed o")
    offered = await client.text_document_completion_async(at(types.CompletionParams, 3, 11))
    change(3, "SELECT total FROM orders.order_placed")
    mended = await published.get()
    while mended.version != 3:
        mended = await published.get()
    hover = await client.text_document_hover_async(at(types.HoverParams, 3, 11))
    place = await client.text_document_definition_async(at(types.DefinitionParams, 3, 30))
    await client.shutdown_async(None)
    client.exit(None)
    await client.stop()

    [problem] = first.diagnostics
    print(
        json.dumps(
            {
                "encoding": about.capabilities.position_encoding,
                "server": about.server_info.name,
                "problem": [
                    problem.code,
                    problem.source,
                    problem.range.start.line,
                    problem.range.start.character,
                    problem.range.end.character,
                ],
                "offered": sorted(item.label for item in offered if not item.label.startswith("_")),
                "mended": len(mended.diagnostics),
                "hover": hover.contents.value.splitlines()[0],
                "place": [place.uri.rsplit("/", 1)[1], place.range.start.line],
            }
        )
    )


asyncio.run(session())
