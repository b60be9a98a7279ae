//! Experiments: one file each, numbered from 1.

use super::{Files, names, readable};
use crate::error::Error;
use crate::types::Experiment;

const EXPERIMENTS: &str = "experiments";

impl Files {
    pub(super) fn experiment(&self, name: &str) -> Result<Experiment, Error> {
        if name.is_empty() {
            return Err(self.invalid("an experiment without a name", "expected a name, not \"\""));
        }
        let is_it = |experiment: &Experiment| experiment.name == name;
        if let Some(found) = self.experiments()?.into_iter().find(is_it) {
            return Ok(found);
        }
        let writer = self.folder.writer()?;
        let numbers = self.experiment_numbers()?;
        for number in &numbers {
            // One that is damaged may be the one: that is an error here, not a second one.
            if let Some(found) = self.read_experiment(*number)?.filter(is_it) {
                return Ok(found);
            }
        }
        let number = numbers.last().map_or(1, |last| last + 1);
        let experiment = Experiment {
            experiment_id: number.to_string(),
            name: name.to_owned(),
            artifact_location: "local:runs".to_owned(),
            lifecycle_stage: "active".to_owned(),
        };
        if !writer.create(file(number), &experiment)? {
            let (what, location) = (format!("experiment {number}"), self.folder.location());
            return Err(Error::AlreadyExists { what, location, answer: None });
        }
        Ok(experiment)
    }

    pub(super) fn experiments(&self) -> Result<Vec<Experiment>, Error> {
        let numbers = self.experiment_numbers()?.into_iter();
        numbers.filter_map(|number| readable(self.read_experiment(number)).transpose()).collect()
    }

    /// Refuses the id of an experiment that is not there.
    pub(super) fn check_experiment(&self, id: &str) -> Result<(), Error> {
        let found = names::number(id).map(|number| self.read_experiment(number)).transpose()?;
        if found.flatten().is_some() {
            return Ok(());
        }
        let shown = |e: Experiment| format!("{} ({:?})", e.experiment_id, e.name);
        let all = self.experiments()?.into_iter().map(shown).collect();
        Err(self.not_found(format!("experiment {id:?}"), names::there_are("experiments", all)))
    }

    fn read_experiment(&self, number: u64) -> Result<Option<Experiment>, Error> {
        let path = file(number);
        let found = self.folder.read::<Experiment>(&path)?;
        match found {
            Some(found) if names::number(&found.experiment_id) != Some(number) => {
                let reason = format!("holds experiment {:?}", found.experiment_id);
                Err(Error::Damaged { path: self.folder.path(path), reason })
            }
            found => Ok(found),
        }
    }

    /// Numbers of all experiments, the first first.
    fn experiment_numbers(&self) -> Result<Vec<u64>, Error> {
        let names = self.folder.names(EXPERIMENTS)?;
        let number = |name: &String| names::number(name.strip_suffix(".json")?);
        let mut numbers: Vec<u64> = names.iter().filter_map(number).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }
}

fn file(number: u64) -> String {
    format!("{EXPERIMENTS}/{number}.json")
}
