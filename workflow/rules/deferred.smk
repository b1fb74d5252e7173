# Deferred: one job per recording, everything in memory, one file.


rule process_recording:
    input:
        unpack(recording_files),
        named=named_files(*CONFIG.chosen_steps),
    output:
        **checkpoint_outputs(),
        session=f"{OUT}/{{recording}}.h5",
    log:
        f"{OUT}/logs/{{recording}}/process_recording.log",
    benchmark:
        f"{OUT}/benchmarks/{{recording}}/process_recording.tsv"
    conda:
        "../../environment.yml"
    threads: max(map(threads_of, PARTS))
    resources:
        mem_mb=memory_mb("process_recording"),
        runtime=runtime_min("process_recording"),
    params:
        steps=parameters_of_all_steps,
        definition=definition(*PARTS),
        movies=movies,
    script:
        "../../scripts/process_recording.py"
