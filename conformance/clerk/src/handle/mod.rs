//! What the handle does, by what it is about: people, tokens, trouble.

mod people;
mod tokens;
mod trouble;
