//! Laws of the core's values, on whatever input the generator finds.

mod decisions;
mod key_text;
mod values;
