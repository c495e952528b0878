//! Why a trial failed that could not say so itself. A function of what it left behind.

use digest::Digest;
use generation::Progress;
use generation::progress::Step;
use transfer::report::TrialState;

use crate::trials::Trial;

/// The reason, in one line.
pub fn reason(trial: &Trial, progress: Option<&Progress>) -> String {
    let progress = progress.filter(|progress| progress.generation == trial.generation);
    let Some(Progress { step, error, .. }) = progress else {
        return "it did not get to its data: the bootloader, the kernel or the beginning of init \
                failed"
            .into();
    };
    if let Some(error) = error {
        return format!("init could not go on: {error}");
    }
    let ended = |place: String| format!("it ended {place}: a panic, a hang or a power cut");
    match step {
        Step::Data => ended("in init, before it had read its manifest".into()),
        Step::Manifest => ended("in init, before layer 1 was mounted".into()),
        Step::Layer(layer) => ended(format!("in init, after layer {layer} was mounted")),
        Step::State => ended("in init, when all was mounted".into()),
        Step::Handover if trial.state == TrialState::Running => {
            ended("while it was on trial".into())
        }
        Step::Handover => ended("after init, before its trial began".into()),
        Step::Other(step) => ended(format!("in init, after `{step}`")),
    }
}

/// The reason once a blob of it has been found damaged.
pub fn damaged(blob: Digest, reason: &str) -> String {
    format!("its blob {} is damaged on this disk; {reason}", blob.short())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_step_says_where_it_ended() {
        let generation = Digest::of("it");
        let trial = Trial::armed(2, generation);
        let running = Trial { state: TrialState::Running, ..trial.clone() };
        let at = |step| Progress::new(generation, step);
        for (trial, progress, said) in [
            (&trial, None, "bootloader"),
            (&trial, Some(Progress::new(Digest::of("another"), Step::State)), "bootloader"),
            (&trial, Some(at(Step::Layer(2))), "after layer 2"),
            (&trial, Some(at(Step::Manifest).failed("no loop device")), "no loop device"),
            (&trial, Some(at(Step::Handover)), "before its trial began"),
            (&running, Some(at(Step::Handover)), "while it was on trial"),
        ] {
            let reason = reason(trial, progress.as_ref());
            assert!(reason.contains(said), "{said}: {reason}");
            assert!(!reason.contains('\n'));
        }
    }
}
