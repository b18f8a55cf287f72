//! An editor as the server sees it: the real program over its standard input and output, with framed messages.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::crash::daemon::binary;

/// As long as nothing needs: planning in a debug build on a busy machine.
const DEADLINE: Duration = Duration::from_secs(120);

/// What an editor says of itself that knows nothing special.
pub(super) fn plain() -> Value {
    json!({})
}

/// An editor that counts so.
pub(super) fn counting(encoding: &str) -> Value {
    json!({"general": {"positionEncodings": [encoding]}})
}

/// An editor with a workspace; the server ends with it.
pub(super) struct Editor {
    folder: TempDir,
    server: Child,
    stdin: Option<ChildStdin>,
    received: Receiver<Value>,
    /// Messages that nobody has asked for yet.
    kept: Vec<Value>,
    versions: BTreeMap<String, i64>,
    requests: i64,
}

/// The texts of the shipped configuration, by path.
pub(super) fn shop() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    for folder in ["config", "config/sources", "projections"] {
        for entry in fs::read_dir(root.join(folder)).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() {
                let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
                files.push((name, fs::read_to_string(path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

impl Editor {
    /// Starts the server in a workspace with the shipped configuration.
    pub(super) fn of_shop(capabilities: &Value) -> Self {
        Self::start(&shop(), capabilities)
    }

    /// Starts the server in a workspace with these files, and greets it.
    pub(super) fn start(files: &[(String, String)], capabilities: &Value) -> Self {
        let mut editor = Self::spawn(files);
        let folder = json!({"uri": editor.uri(""), "name": "shop"});
        let params = json!({"processId": null, "capabilities": capabilities, "workspaceFolders": [folder]});
        let about = editor.ask("initialize", params);
        assert_eq!(about["serverInfo"]["name"], "readside");
        editor.tell("initialized", json!({}));
        editor
    }

    /// Starts the server and says nothing.
    pub(super) fn spawn(files: &[(String, String)]) -> Self {
        let folder = TempDir::new().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut command = Command::new(binary());
        command.args(["lsp", "--stdio"]).env_remove("READSIDE_CONFIG").current_dir("/");
        let mut server = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let stdin = server.stdin.take();
        let mut stdout = BufReader::new(server.stdout.take().unwrap());
        let (sender, received) = channel();
        std::thread::spawn(move || {
            while let Some(message) = read(&mut stdout) {
                if sender.send(message).is_err() {
                    return;
                }
            }
        });
        Self { folder, server, stdin, received, kept: Vec::new(), versions: BTreeMap::new(), requests: 0 }
    }

    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(super) fn uri(&self, name: &str) -> String {
        format!("file://{}", self.path(name).display()).trim_end_matches('/').to_owned()
    }

    fn send(&mut self, message: &Value) {
        let text = message.to_string();
        let stdin = self.stdin.as_mut().expect("it is open");
        write!(stdin, "Content-Length: {}\r\n\r\n{text}", text.len()).unwrap();
        stdin.flush().unwrap();
    }

    pub(super) fn tell(&mut self, method: &str, params: Value) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}));
    }

    /// Sends a request, and gives its id.
    pub(super) fn request(&mut self, method: &str, params: Value) -> i64 {
        self.requests += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.requests, "method": method, "params": params}));
        self.requests
    }

    /// The answer to a request, a result or an error.
    pub(super) fn answer(&mut self, id: i64) -> Value {
        self.wait_for(&format!("the answer to {id}"), |message| message["id"] == id && message["method"].is_null())
    }

    pub(super) fn ask(&mut self, method: &str, params: Value) -> Value {
        let id = self.request(method, params);
        let answer = self.answer(id);
        assert!(answer["error"].is_null(), "{method}: {answer}");
        answer["result"].clone()
    }

    /// The first message that is so, of those that nobody has asked for.
    pub(super) fn wait_for(&mut self, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        if let Some(place) = self.kept.iter().position(&is_so) {
            return self.kept.remove(place);
        }
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let message = self.received.recv_timeout(left).unwrap_or_else(|error| panic!("no {what}: {error}"));
            if is_so(&message) {
                return message;
            }
            self.kept.push(message);
        }
    }

    /// Opens a file with a text that need not be that of the disk.
    pub(super) fn open(&mut self, name: &str, text: &str) {
        let document = json!({"uri": self.uri(name), "languageId": "yaml", "version": 1, "text": text});
        self.versions.insert(name.to_owned(), 1);
        self.tell("textDocument/didOpen", json!({"textDocument": document}));
    }

    pub(super) fn change(&mut self, name: &str, text: &str) {
        let version = self.versions.get_mut(name).expect("it is open");
        *version += 1;
        let version = *version;
        let document = json!({"uri": self.uri(name), "version": version});
        self.tell("textDocument/didChange", json!({"textDocument": document, "contentChanges": [{"text": text}]}));
    }

    pub(super) fn close(&mut self, name: &str) {
        self.versions.remove(name);
        self.tell("textDocument/didClose", json!({"textDocument": {"uri": self.uri(name)}}));
    }

    /// Opens a file, or changes it if it is open.
    pub(super) fn write(&mut self, name: &str, text: &str) {
        if self.versions.contains_key(name) { self.change(name, text) } else { self.open(name, text) }
    }

    /// The problems of the text of a file as it is now.
    pub(super) fn problems(&mut self, name: &str) -> Vec<Value> {
        let (uri, version) = (self.uri(name), self.versions.get(name).copied());
        let published = self.wait_for(&format!("problems of {name}"), |message| {
            let params = &message["params"];
            message["method"] == "textDocument/publishDiagnostics"
                && params["uri"] == uri
                && params["version"].as_i64() == version
        });
        published["params"]["diagnostics"].as_array().unwrap().clone()
    }

    /// The problems of a file that were told last, of those that nobody has asked for.
    pub(super) fn told(&self, name: &str) -> Value {
        let uri = self.uri(name);
        let told = self.kept.iter().rev().find(|message| message["params"]["uri"] == uri.as_str());
        told.map_or(Value::Null, |message| message["params"]["diagnostics"].clone())
    }

    /// Problems, each as its code, its range in lines and units from 0, and the first line of what it says.
    pub(super) fn shown(&mut self, name: &str) -> Vec<String> {
        let shown = |problem: &Value| {
            let place = |end: &str| format!("{}:{}", problem["range"][end]["line"], problem["range"][end]["character"]);
            let message = problem["message"].as_str().unwrap().lines().next().unwrap();
            format!("{} {}-{} {message}", problem["code"].as_str().unwrap(), place("start"), place("end"))
        };
        self.problems(name).iter().map(shown).collect()
    }

    /// Asks at the cursor `¦` of a text, which the file then has.
    pub(super) fn ask_at(&mut self, method: &str, name: &str, text: &str) -> Value {
        let before = text.split('¦').next().unwrap();
        let line = before.matches('\n').count();
        let character = before.rsplit('\n').next().unwrap().encode_utf16().count();
        self.write(name, &text.replace('¦', ""));
        let position = json!({"line": line, "character": character});
        self.ask(
            &format!("textDocument/{method}"),
            json!({"textDocument": {"uri": self.uri(name)}, "position": position}),
        )
    }

    /// The names that are offered at the cursor `¦`.
    pub(super) fn offered(&mut self, name: &str, text: &str) -> Vec<String> {
        let items = self.ask_at("completion", name, text);
        let mut items: Vec<&Value> = items.as_array().unwrap().iter().collect();
        items.sort_by_key(|item| item["sortText"].as_str().unwrap());
        items.iter().map(|item| item["label"].as_str().unwrap().to_owned()).collect()
    }

    /// What is said at the cursor `¦`; empty if nothing is.
    pub(super) fn hover(&mut self, name: &str, text: &str) -> String {
        self.ask_at("hover", name, text)["contents"]["value"].as_str().unwrap_or_default().to_owned()
    }

    /// Closes the server's input, as an editor does that ends.
    pub(super) fn hang_up(&mut self) {
        self.stdin = None;
    }

    /// Whether the server, which has ended, has said something like this that nobody has asked for.
    pub(super) fn has_said(&mut self, is_so: impl Fn(&Value) -> bool) -> bool {
        self.kept.extend(self.received.iter());
        self.kept.iter().any(is_so)
    }

    /// The server's exit code.
    pub(super) fn code(&mut self) -> Option<i32> {
        self.server.wait().unwrap().code()
    }

    /// Ends as the protocol wants it, and says with which code the server does.
    pub(super) fn end(mut self) -> Option<i32> {
        assert_eq!(self.ask("shutdown", Value::Null), Value::Null);
        self.tell("exit", Value::Null);
        self.code()
    }
}

impl Drop for Editor {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}

/// The next message; none at the end.
fn read(stdout: &mut impl BufRead) -> Option<Value> {
    let mut length = 0;
    loop {
        let mut line = String::new();
        if stdout.read_line(&mut line).ok()? == 0 {
            return None;
        }
        match line.trim() {
            "" => break,
            line => {
                if let Some(value) = line.strip_prefix("Content-Length: ") {
                    length = value.parse().ok()?;
                }
            }
        }
    }
    let mut body = vec![0; length];
    stdout.read_exact(&mut body).ok()?;
    serde_json::from_slice(&body).ok()
}
