//! The named types of one source, resolved on demand, each once. A type that contains itself is refused.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::event::{DataType, Field};

/// Gives the fields of a named type, or `None` after reporting what is wrong with them.
pub(super) type Declared<'a> = Box<dyn Fn(&NamedTypes<'a>) -> Option<Vec<Field>> + 'a>;

#[derive(Default)]
pub(super) struct NamedTypes<'a> {
    declared: BTreeMap<String, Declared<'a>>,
    /// Names that are being resolved, outermost first.
    path: RefCell<Vec<String>>,
    resolved: RefCell<BTreeMap<String, Option<DataType>>>,
}

impl<'a> NamedTypes<'a> {
    pub(super) fn new(declared: BTreeMap<String, Declared<'a>>) -> Self {
        Self { declared, path: RefCell::default(), resolved: RefCell::default() }
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.declared.keys().cloned().collect()
    }

    /// Reads each declared type, so that unused ones are checked too. What is wrong is reported where it stands.
    pub(super) fn check_all(&self) {
        for name in self.declared.keys() {
            self.resolve(name);
        }
    }

    /// `None` if there is no such type; an error (message and hint) if it cannot be used here. The users of a type that
    /// is wrong itself, which was reported once, get a stand-in.
    pub(super) fn resolve(&self, name: &str) -> Option<Result<DataType, (String, String)>> {
        let declared = self.declared.get(name)?;
        if let Some(done) = self.resolved.borrow().get(name) {
            return Some(Ok(done.clone().unwrap_or(DataType::Json)));
        }
        if let Some(begin) = self.path.borrow().iter().position(|open| open == name) {
            let mut cycle = self.path.borrow()[begin..].to_vec();
            cycle.push(name.to_owned());
            let message = format!("type `{name}` contains itself: {}", cycle.join(" → "));
            return Some(Err((message, "use `json` where it repeats, or name the levels one by one".to_owned())));
        }
        self.path.borrow_mut().push(name.to_owned());
        let data_type = declared(self).map(DataType::Struct);
        self.path.borrow_mut().pop();
        self.resolved.borrow_mut().insert(name.to_owned(), data_type.clone());
        Some(Ok(data_type.unwrap_or(DataType::Json)))
    }
}
