//! Injecting and clearing faults.

use super::LocalClerk;
use crate::store::faults::{FaultId, FaultRule};

impl LocalClerk {
    /// Activates a fault, after the faults that are already active.
    pub fn inject(&self, rule: FaultRule) -> FaultId {
        self.instance.faults.inject(rule)
    }

    /// Clears a fault and answers the requests it holds. Returns whether the fault was active.
    pub fn clear_fault(&self, id: FaultId) -> bool {
        self.instance.faults.clear(id)
    }

    /// Clears all faults and answers the requests they hold.
    pub fn clear_faults(&self) {
        self.instance.faults.clear_all();
    }

    /// Returns the active faults in the order they were injected.
    pub fn faults(&self) -> Vec<(FaultId, FaultRule)> {
        self.instance.faults.list()
    }
}
