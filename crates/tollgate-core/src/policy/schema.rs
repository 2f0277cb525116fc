//! The JSON Schema of policy files, from the types that read them.

use std::sync::LazyLock;

use schemars::{Schema, generate::SchemaSettings, transform::transform_subschemas};
use serde_json::Value;

use super::file::File;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let settings = SchemaSettings::draft2020_12().with_transform(nothing_is_required);
    let mut schema = settings.into_generator().into_root_schema_for::<File>();
    schema.insert("title".to_owned(), "Tollgate policy".into());
    schema.to_value()
});

/// The JSON Schema (draft 2020-12) of a policy file, for editors and other programs.
///
/// It asks for no key, since a file may be laid over another that has it.
pub fn json_schema() -> Value {
    SCHEMA.clone()
}

/// The same, lent.
pub(super) fn of_file() -> &'static Value {
    &SCHEMA
}

fn nothing_is_required(schema: &mut Schema) {
    schema.remove("required");
    transform_subschemas(&mut nothing_is_required, schema);
}
