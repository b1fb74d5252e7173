# Immediate: a job and a file per step and per feature, along what each needs; then one file of all.


rule load_recording:
    input:
        unpack(recording_files),
        named=named_files("load_recording"),
    output:
        part=step_file("load_recording"),
    log:
        f"{OUT}/logs/{{recording}}/load_recording.log",
    benchmark:
        f"{OUT}/benchmarks/{{recording}}/load_recording.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory_mb("load_recording"),
        runtime=runtime_min("load_recording"),
    params:
        step="load_recording",
        parameters=parameters("load_recording"),
        definition=definition("load_recording"),
    script:
        "../../scripts/make_part.py"


rule add_section_time:
    input:
        parts=needed("sections"),
        named=named_files("add_section_time"),
    output:
        part=step_file("sections"),
    log:
        f"{OUT}/logs/{{recording}}/sections.log",
    benchmark:
        f"{OUT}/benchmarks/{{recording}}/sections.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory_mb("add_section_time"),
        runtime=runtime_min("add_section_time"),
    params:
        step="add_section_time",
        parameters=parameters("sections"),
        definition=definition("sections"),
        movies=movies,
    script:
        "../../scripts/make_part.py"


rule section_spike_times:
    input:
        parts=needed("spikes"),
    output:
        part=step_file("spikes"),
    log:
        f"{OUT}/logs/{{recording}}/spikes.log",
    benchmark:
        f"{OUT}/benchmarks/{{recording}}/spikes.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory_mb("section_spike_times"),
        runtime=runtime_min("section_spike_times"),
    params:
        step="section_spike_times",
        parameters=parameters("spikes"),
        definition=definition("spikes"),
    script:
        "../../scripts/make_part.py"


rule extract_feature:
    input:
        parts=feature_needs,
    output:
        part=step_file("features.{feature}"),
    log:
        f"{OUT}/logs/{{recording}}/features.{{feature}}.log",
    benchmark:
        f"{OUT}/benchmarks/{{recording}}/features.{{feature}}.tsv"
    conda:
        "../../environment.yml"
    threads: feature_threads
    resources:
        mem_mb=memory_mb("extract_feature"),
        runtime=runtime_min("extract_feature"),
    params:
        step="extract_features",
        parameters=parameters("features.{feature}"),
        definition=definition("features.{feature}"),
    script:
        "../../scripts/make_part.py"


rule curate_units:
    input:
        parts=needed("curation"),
    output:
        part=step_file("curation"),
    log:
        f"{OUT}/logs/{{recording}}/curation.log",
    benchmark:
        f"{OUT}/benchmarks/{{recording}}/curation.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory_mb("curate_units"),
        runtime=runtime_min("curate_units"),
    params:
        step="curate_units",
        parameters=parameters("curation"),
        definition=definition("curation"),
    script:
        "../../scripts/make_part.py"


rule compute_sta:
    input:
        parts=needed("sta"),
    output:
        part=step_file("sta"),
    log:
        f"{OUT}/logs/{{recording}}/sta.log",
    benchmark:
        f"{OUT}/benchmarks/{{recording}}/sta.tsv"
    conda:
        "../../environment.yml"
    threads: threads_of("sta")
    resources:
        mem_mb=memory_mb("compute_sta"),
        runtime=runtime_min("compute_sta"),
    params:
        step="compute_sta",
        parameters=parameters("sta"),
        definition=definition("sta"),
    script:
        "../../scripts/make_part.py"


rule adjust_p_values:
    input:
        parts=needed("q_values"),
    output:
        part=step_file("q_values"),
    log:
        f"{OUT}/logs/{{recording}}/q_values.log",
    benchmark:
        f"{OUT}/benchmarks/{{recording}}/q_values.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory_mb("adjust_p_values"),
        runtime=runtime_min("adjust_p_values"),
    params:
        step="adjust_p_values",
        parameters=parameters("q_values"),
        definition=definition("q_values"),
    script:
        "../../scripts/make_part.py"


rule assemble:
    input:
        parts=part_files(PARTS),
    output:
        session=f"{OUT}/{{recording}}.h5",
    log:
        f"{OUT}/logs/{{recording}}/assemble.log",
    benchmark:
        f"{OUT}/benchmarks/{{recording}}/assemble.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory_mb("assemble"),
        runtime=runtime_min("assemble"),
    script:
        "../../scripts/assemble_parts.py"


rule assemble_checkpoint:
    input:
        parts=parts_so_far,
    output:
        checkpoint=f"{OUT}/checkpoints/{{recording}}.after_{{step}}.h5",
    log:
        f"{OUT}/logs/{{recording}}/after_{{step}}.log",
    benchmark:
        f"{OUT}/benchmarks/{{recording}}/after_{{step}}.tsv"
    conda:
        "../../environment.yml"
    resources:
        mem_mb=memory_mb("assemble_checkpoint"),
        runtime=runtime_min("assemble_checkpoint"),
    script:
        "../../scripts/assemble_checkpoint.py"
