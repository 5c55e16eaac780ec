//! The newer documents that the operator names.

use std::{path::PathBuf, str::FromStr};

use scope3_mcp_gateway::catalog::{Surface, echo, newer};

/// A newer document of an API: `buyer=FILE`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenApiFile {
    /// The API.
    pub surface: Surface,
    /// The document.
    pub path: PathBuf,
}

impl FromStr for OpenApiFile {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let expected = || format!("expected an API and a file, such as `buyer=FILE`, got `{}`", echo(text));
        let (surface, path) = text.split_once('=').ok_or_else(expected)?;
        if path.is_empty() {
            return Err(expected());
        }
        let surface: Surface = surface.parse()?;
        if newer::server_of(surface).is_none() {
            return Err(format!(
                "expected an API with a published document, such as `buyer`, got `{surface}`"
            ));
        }
        Ok(Self { surface, path: path.into() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_names_its_api() {
        let parse = |text: &str| text.parse::<OpenApiFile>();
        let file = parse("buyer=/a=b.yaml").unwrap();
        assert_eq!((file.surface, file.path), (Surface::Buyer, PathBuf::from("/a=b.yaml")));
        assert!(parse("/a.yaml").unwrap_err().contains("such as `buyer=FILE`"));
        assert!(parse("buyer=").unwrap_err().contains("such as `buyer=FILE`"));
        assert!(parse("seller=a").unwrap_err().contains("unknown API `seller`"));
        assert!(parse("campaign=a").unwrap_err().contains("published document"));
    }
}
