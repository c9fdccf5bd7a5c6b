//! What lies in a broker's log directories.

use super::{Admin, Target};
use crate::error::{ClientError, Result};
use crate::shell::reply::Reply;
use ottla_wire::api::{DescribeLogDirsRequest, DescribeLogDirsResponse};

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDir {
    pub path: String,
    /// Where the directory is offline.
    pub error: Option<ClientError>,
    pub replicas: Vec<LogDirReplica>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogDirReplica {
    pub topic: String,
    pub partition: i32,
    pub bytes: i64,
    /// How far it is behind the high watermark, or as a future replica behind the current one.
    pub offset_lag: i64,
    /// It is being moved here.
    pub is_future: bool,
}

impl Admin {
    pub async fn describe_log_dirs(&self, broker: i32) -> Result<Vec<LogDir>> {
        let read = |reply: &Reply| {
            let response: DescribeLogDirsResponse<'_> = reply.read()?;
            ClientError::check(response.error_code, None)?;
            let mut dirs = Vec::new();
            for dir in &response.results {
                let of_topic = dir.topics.iter().flat_map(|topic| {
                    topic.partitions.iter().map(|one| LogDirReplica {
                        topic: topic.name.to_string(),
                        partition: one.partition_index,
                        bytes: one.partition_size,
                        offset_lag: one.offset_lag,
                        is_future: one.is_future_key,
                    })
                });
                let error = ClientError::check(dir.error_code, None).err();
                dirs.push(LogDir { path: dir.log_dir.to_string(), error, replicas: of_topic.collect() });
            }
            Ok(dirs)
        };
        let request = |_| DescribeLogDirsRequest { topics: None, ..Default::default() };
        self.call("describeLogDirs", Target::Node(broker), request, read).await
    }
}
