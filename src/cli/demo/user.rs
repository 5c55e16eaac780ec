//! The person behind the agent of the demo. Nobody is at the keyboard, so the demo answers for them.

use rmcp::{
    ClientHandler, ErrorData, RoleClient,
    model::{
        ClientCapabilities, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationCapability,
        FormElicitationCapability, Implementation, InitializeRequestParams,
    },
    service::RequestContext,
};

use super::{
    HEADING, OUTPUT,
    points::{INDENT, paragraph_after},
    print,
};

/// Shows each question and says yes.
#[derive(Debug, Clone, Copy)]
pub(super) struct User {
    /// Whether to show the arguments, too.
    pub(super) full: bool,
}

impl User {
    fn show(self, question: &str) -> std::io::Result<()> {
        print(HEADING, &format!("{INDENT}The server asks the person, not the agent:"))?;
        for line in question.lines().filter(|line| self.full || !line.starts_with("Arguments")) {
            for part in paragraph_after(line, "| ") {
                print(OUTPUT, &format!("{INDENT}{part}"))?;
            }
        }
        print(OUTPUT, &format!("{INDENT}In this demo, the demo itself answers: yes."))
    }
}

impl ClientHandler for User {
    fn get_info(&self) -> InitializeRequestParams {
        let mut capabilities = ClientCapabilities::default();
        let mut modes = ElicitationCapability::default();
        modes.form = Some(FormElicitationCapability::default());
        capabilities.elicitation = Some(modes);
        InitializeRequestParams::new(capabilities, Implementation::new("demo", env!("CARGO_PKG_VERSION")))
    }

    async fn create_elicitation(
        &self,
        request: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        let ElicitRequestParams::FormElicitationParams { message, .. } = request else {
            return Ok(ElicitResult::new(ElicitationAction::Decline));
        };
        // A closed pipe ends the demo with the next line that it prints.
        drop(self.show(&message));
        Ok(ElicitResult::new(ElicitationAction::Accept))
    }
}
