//! Laws of the core's values, held against whatever input the generator finds.

mod decisions;
mod key_text;
mod permissions;
mod values;
