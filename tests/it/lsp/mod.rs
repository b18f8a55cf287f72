//! `readside lsp`, with the real program over its standard input and output.

mod editor;
mod help;
mod others;
mod problems;
mod session;
